"""fastnn: small and medium neural networks on the CPU, trained and run at the speed of the machine."""

__version__ = "0.1.0"
