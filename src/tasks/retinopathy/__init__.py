"""Diabetic retinopathy, graded from 0 to 4 on photographs of the eye by a CNN or ResNet-18 in PyTorch."""
