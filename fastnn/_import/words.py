"""What other libraries call what fastnn has: for the message when such a name is asked for."""

FUNCTIONS = {
    "ReLU": "relu", "LeakyReLU": "leaky_relu", "ELU": "elu", "SELU": "selu", "GELU": "gelu", "SiLU": "silu",
    "Swish": "silu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softmax": "softmax", "Softplus": "softplus",
    "Identity": "identity",
}  # fmt: skip

WORDS = {word: f'fn.Activation("{name}")' for word, name in FUNCTIONS.items()} | {
    "Linear": "fn.Dense", "Lambda": "fn.Custom", "Model": "fn.Network", "Module": "fn.Network",
    "BatchNormalization": "fn.BatchNorm", "BatchNorm1d": "fn.BatchNorm", "LayerNormalization": "fn.LayerNorm",
    "UpSampling2D": "fn.Upsample2D", "Upsample": "fn.Upsample2D", "ZeroPadding2D": "fn.Pad2D", "ZeroPad2d": "fn.Pad2D",
    "ReflectionPad2d": 'fn.Pad2D(1, "reflect")', "ReplicationPad2d": 'fn.Pad2D(1, "replicate")',
    "ConstantPad2d": 'fn.Pad2D(1, "constant", value=0.5)', "Cropping2D": "fn.Crop2D",
    "PixelShuffle": 'fn.DepthToSpace(2, "CRD")', "PixelUnshuffle": 'fn.SpaceToDepth(2, "CRD")',
    "RNN": "fn.SimpleRNN", "MSELoss": "fn.SquaredError", "MeanSquaredError": "fn.SquaredError",
    "L1Loss": "fn.AbsoluteError", "MeanAbsoluteError": "fn.AbsoluteError", "HuberLoss": "fn.Huber",
    "SmoothL1Loss": "fn.Huber", "BCELoss": "fn.BinaryCrossEntropy", "BCEWithLogitsLoss": "fn.BinaryCrossEntropy",
    "BinaryCrossentropy": "fn.BinaryCrossEntropy", "CrossEntropyLoss": "fn.CrossEntropy",
    "CategoricalCrossentropy": "fn.CrossEntropy", "SparseCategoricalCrossentropy": "fn.CrossEntropy",
    "PoissonNLLLoss": "fn.Poisson", "ReduceLROnPlateau": "fn.ReduceOnPlateau", "ModelCheckpoint": "fn.Checkpoint",
    "train_test_split": "fn.split", "load_model": "fn.load", "sequential": "fn.Sequential",
    "ImageFolder": "fn.ImageBatches", "ImageDataGenerator": "fn.ImageBatches",
    "image_dataset_from_directory": "fn.read_images", "RandomCrop": "fn.PadCrop", "RandomAffine": "fn.Affine",
    "RandomHorizontalFlip": "fn.HorizontalFlip", "RandomFlip": "fn.HorizontalFlip", "RandomRotation": "fn.Affine",
    "RandomErasing": "fn.Cutout", "ColorJitter": "fn.BrightnessContrast", "MixUp": "fn.Mixup",
    "Normalize": "fn.Standardize", "Normalization": "fn.Standardize",
}  # fmt: skip


def hint(name: str) -> str:
    """Return the end of a message about a name that fastnn does not have: ours for it."""
    return f"; write {WORDS[name]}" if name in WORDS else ""
