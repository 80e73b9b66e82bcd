"""The outside world of pictures: videos and still images in, planes and pixels out."""
