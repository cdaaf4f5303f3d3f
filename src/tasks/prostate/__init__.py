"""The prostate outlined in T2-weighted MR volumes, k models for k folds of patients, by a U-Net in TensorFlow."""
