"""The model, its file, and the genres that it decides for."""
