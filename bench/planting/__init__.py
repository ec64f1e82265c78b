"""What `bench/shaping.py` measures, one noun each."""
