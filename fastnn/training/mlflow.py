"""The record of a training for MLflow."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastnn._spec import require_flag
from fastnn.training.callbacks import Callback, EpochInfo
from fastnn.training.history import History


class MLflow(Callback):
    """Settings, and losses, metrics, learning rate and seconds of every epoch, as a run of MLflow.

    They go to the run that is active, or to one of their own that ends with the fit: as failed, if the fit failed.
    Where runs are kept and which experiment they belong to is said to MLflow itself.  Needs mlflow (extra ``mlflow``).

    Parameters
    ----------
    run_name : str, optional
        Of a run of their own.
    model : bool, default False
        Whether the run gets the network as the artifact ``model.safetensors`` in the end.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ImportError
        When the fit begins, if mlflow is not installed.

    Notes
    -----
    A parameter that the active run has already keeps its value, as MLflow demands.

    Examples
    --------
    >>> import fastnn as fn
    >>> record = fn.MLflow("first", model=True)
    """

    alone = True

    def __init__(self, run_name: str | None = None, *, model: bool = False) -> None:
        if run_name is not None and not isinstance(run_name, str):
            raise TypeError(f"MLflow: expected run_name to be a text, got {run_name!r:.60}")
        require_flag("MLflow", "model", model)
        self.run_name, self.model = run_name, model
        self._own = False
        self._before: BaseException | None = None

    def on_fit_begin(self, net: Any, epochs: int) -> None:
        """Begin a run unless there is one, and note the settings."""
        mlflow = _mlflow()
        self._before = sys.exc_info()[1]
        run = mlflow.active_run()
        self._own = run is None
        if run is None:
            run = mlflow.start_run(run_name=self.run_name)
        losses = ", ".join(map(repr, net.losses))
        settings = {
            "loss": losses, "optimizer": repr(net.optimizer), "epochs": epochs, "n_params": net.n_params,
            "seed": net.seed, "dtype": str(net.dtype),
        }  # fmt: skip
        known = mlflow.get_run(run.info.run_id).data.params
        mlflow.log_params({name: value for name, value in settings.items() if name not in known})

    def on_epoch_end(self, info: EpochInfo) -> None:
        """Note the values of the epoch."""
        values = {**info.monitored(), "learning_rate": info.learning_rate, "seconds": info.seconds}
        _mlflow().log_metrics(values, step=info.epoch)

    def on_fit_end(self, net: Any, history: History) -> None:
        """Keep the network if asked to, and end a run of our own."""
        mlflow = _mlflow()
        failed = sys.exc_info()[1] is not self._before
        if self.model and not failed:
            with TemporaryDirectory() as folder:
                path = Path(folder) / "model.safetensors"
                net.save(path)
                mlflow.log_artifact(str(path))
        if self._own:
            mlflow.end_run("FAILED" if failed else "FINISHED")


def _mlflow() -> Any:
    try:
        import mlflow
    except ImportError as error:
        raise ImportError('MLflow needs mlflow: pip install "fastnn[mlflow]"') from error
    return mlflow
