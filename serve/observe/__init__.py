"""Who watches requests, where somebody is to: the log of each, traces, recordings. Off, none of it is there."""
