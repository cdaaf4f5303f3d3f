"""Where the real photographs come from: APTOS 2019 Blindness Detection, 3,662 graded ones, 10 GB."""

COMPETITION = "aptos2019-blindness-detection"
EXPECTED = ("train.csv", "train_images")
