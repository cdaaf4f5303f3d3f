"""The stage plot, the same for every task: a training's history as pictures."""
