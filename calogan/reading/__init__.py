"""From ROOT hits to a store of showers.

From outside: `pipeline.voxelize_files` for all of it, `store` for what is stored, and
`voxelize.voxelize` for hits in memory; `root_file` and `suggest` serve `calogan inspect`, `hdf5`
serves whoever reads other HDF5 files.
"""
