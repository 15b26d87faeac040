"""The jobs page. It knows the wire contract and nothing else of the plugin, and speaks HTTP to it."""
