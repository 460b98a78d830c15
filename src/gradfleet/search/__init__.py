"""What is tried; knows no Ray and no study."""
