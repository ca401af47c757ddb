"""Preconditioned Wirtinger flow: the sample's wave from speckle images; arrays in, arrays out."""
