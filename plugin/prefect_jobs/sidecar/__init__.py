"""The process beside a running job: it hears that the job shall stop, stops it, and proves that it stopped.

A job cannot watch itself: stuck in C code it hears nothing, killed it says nothing, and its children outlive it. So
each running job has a process of its own beside it, which knows the standard library only, weighs some 12 MB and lives
as long as the attempt it watches. `watch` holds the protocol; everything else is its eyes and hands. What needs no
process (`receipt`, `page`, `run_api`) is used by the flow too, and the receipt by the adapter.
"""
