"""The engine that judges events: rules that need no model, and a language model where one is set up.

The audit asks it what is wrong with what an event says of itself, the re-evaluation how risky the event is.
"""
