"""The version of the package; CMakeLists.txt, CITATION.cff and CHANGELOG.md name it too."""

__version__ = "0.1.0"
