"""Drills: the worst days, practised on the real sandbox with a clock running.

Public, each imported where it is used: `restore.drill_restore`.
"""
