"""The synthetic subject: a person made from a seed, whose truth is known at every stage."""
