"""What several tests share: samples, ROOT files, evaluations."""
