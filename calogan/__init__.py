"""calogan: conditional GANs for calorimeter showers, from ROOT hits to lwtnn JSON."""

__version__ = "0.1.0"
