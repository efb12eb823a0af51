"""What ``fastnn.data`` has, each name once: type checkers read this, and so does ``fastnn/_import/lazy.py``."""

from fastnn.data.augment import Affine as Affine
from fastnn.data.augment import Augmentation as Augmentation
from fastnn.data.augment import BrightnessContrast as BrightnessContrast
from fastnn.data.augment import Cutout as Cutout
from fastnn.data.augment import HorizontalFlip as HorizontalFlip
from fastnn.data.augment import Mixup as Mixup
from fastnn.data.augment import PadCrop as PadCrop
from fastnn.data.augmented import Augmented as Augmented
from fastnn.data.batches import TableBatches as TableBatches
from fastnn.data.batches import read_batches as read_batches
from fastnn.data.digits import load_digits as load_digits
from fastnn.data.encoder import TableEncoder as TableEncoder
from fastnn.data.examples import Examples as Examples
from fastnn.data.fetch import data_folder as data_folder
from fastnn.data.fetch import fetch_data as fetch_data
from fastnn.data.images import ImageBatches as ImageBatches
from fastnn.data.images import Images as Images
from fastnn.data.images import read_images as read_images
from fastnn.data.readers import read_idx as read_idx
from fastnn.data.readers import read_npz as read_npz
from fastnn.data.running import RunningStandardizer as RunningStandardizer
from fastnn.data.split import split as split
from fastnn.data.standardize import Standardizer as Standardizer
from fastnn.data.table import Table as Table
from fastnn.data.table import read_table as read_table
from fastnn.data.windows import Windows as Windows
