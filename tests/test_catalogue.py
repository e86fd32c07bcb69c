"""The catalogue of stream shapes: every row is a scenario in `fixtures/`, which loads, plays, and has the verdict that the row says."""
