"""The data sets that examples use: where they come from, under which licence, and what makes sure of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastnn.data.converters import cifar_arrays, keep_idx, keep_text, squeezenet_arrays, usps_rows

Convert = Callable[[dict[str, Path], Path], None]


@dataclass(frozen=True)
class DataSet:
    """A data set that others publish.

    ``folder`` holds it, below the folder of all data.  ``files`` are as published: name, address of the folder,
    checksum; ``convert(files, folder)`` makes of them what is read here.  A set without files may not be passed on or
    is not published as such; ``page`` says how to get it.
    """

    name: str
    about: str
    page: str
    licence: str
    folder: str
    files: tuple[tuple[str, str, str], ...] = ()
    convert: Convert | None = None


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_USPS = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"
_TEXT = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"
_SQUEEZENET = (
    "https://raw.githubusercontent.com/DeepScale/SqueezeNet/b5c3f1a23713c8b3fd7b801d229f6b04c64374a5/SqueezeNet_v1.0/"
)
_CIFAR = "https://www.cs.toronto.edu/~kriz/"

# Checksums are those that are published with the files, or that several other projects hold them to.
SETS = {
    one.name: one
    for one in (
        DataSet(
            "mnist",
            "60,000 and 10,000 handwritten digits of 28 by 28 pixels",
            "http://yann.lecun.com/exdb/mnist/",
            "CC BY-SA 3.0; Y. LeCun, C. Cortes, C. J. C. Burges",
            "mnist",
            (
                ("train-images-idx3-ubyte.gz", _MNIST, "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873"),
                ("train-labels-idx1-ubyte.gz", _MNIST, "md5:d53e105ee54ea40749a09fcbcd1e9432"),
                ("t10k-images-idx3-ubyte.gz", _MNIST, "md5:9fb629c4189551a2d022fa330f9573f3"),
                ("t10k-labels-idx1-ubyte.gz", _MNIST, "md5:ec29112dd5afa0611ce80d1b7f02629c"),
            ),
            keep_idx,
        ),
        DataSet(
            "usps",
            "7,291 and 2,007 handwritten digits of 16 by 16 pixels, from envelopes",
            f"{_USPS.rstrip('/')}.html#usps",
            "none stated; J. J. Hull 1994, and Hastie, Tibshirani, Friedman, The Elements of Statistical Learning",
            "usps",
            (
                ("usps.bz2", _USPS, "md5:ec16c51db3855ca6c91edd34d0e9b197"),
                ("usps.t.bz2", _USPS, "md5:8ea070ee2aca1ac39742fdd1ef5ed118"),
            ),
            usps_rows,
        ),
        DataSet(
            "shakespeare",
            "1.1 million letters of Shakespeare",
            "https://github.com/karpathy/char-rnn",
            "public domain",
            "text",
            (("input.txt", _TEXT, "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"),),
            keep_text,
        ),
        DataSet(
            "cifar10",
            "50,000 and 10,000 colour images of 32 by 32 pixels, in ten classes (170 MB)",
            f"{_CIFAR}cifar.html",
            "none stated; A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
            "cifar10",
            (("cifar-10-binary.tar.gz", _CIFAR, "md5:c32a1d4ab5d03f1284b67883e8d87530"),),
            cifar_arrays,
        ),
        DataSet(
            "pfnn",
            "motion capture, height map, skeleton and weights of the phase-functioned network",
            "https://theorangeduck.com/page/phase-functioned-neural-networks-character-control",
            "for academic and non-commercial use only; D. Holden, T. Komura, J. Saito 2017",
            "pfnn",
        ),
        DataSet(
            "orl_faces",
            "400 grey portraits of 40 people, 112 by 92 pixels",
            "https://cam-orl.co.uk/facedatabase.html",
            "for research, with acknowledgement; AT&T Laboratories Cambridge",
            "orl_faces",
        ),
        DataSet(
            "style",
            "a photograph of Tuebingen and four pictures to take the style from",
            "https://commons.wikimedia.org/wiki/File:Tuebingen_Neckarfront.jpg",
            "paintings: public domain; photograph: A. Praefcke, CC BY 3.0",
            "style",
        ),
        DataSet(
            "squeezenet",
            "trained weights of SqueezeNet 1.0, of the network that `style` looks with (5 MB)",
            "https://github.com/forresti/SqueezeNet",
            "BSD 2-clause; F. Iandola, S. Han et al.",
            "squeezenet_v1.0",
            (("squeezenet_v1.0.caffemodel", _SQUEEZENET, "sha1:579d0beb658e43c45937bf8bb5e4034fea4e1f69"),),
            squeezenet_arrays,
        ),
        DataSet(
            "resnet",
            "trained weights of ResNet-20 and ResNet-56 for CIFAR-10",
            "https://github.com/akamaster/pytorch_resnet_cifar10",
            "BSD 2-clause; Y. Idelbayev",
            "resnet_cifar10",
        ),
    )
}
