"""A model server that answers badly: a stand-in for Triton, to which the link leads for a while."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

Manner = Literal["slow", "error", "nan", "shape"]
MANNERS: tuple[Manner, ...] = ("slow", "error", "nan", "shape")
SLOW_S = 40.0
"""Longer than the stand-in model's own deadline."""
EMPTY = ("SystemSharedMemoryRegister", "SystemSharedMemoryUnregister", "RepositoryModelLoad", "RepositoryModelUnload")


class StandIn:
    """The part of KServe's v2 protocol that our readers use, by gRPC; `manner` says how it answers."""

    def __init__(self) -> None:
        self.manner: Manner = "error"
        self.asked = 0
        self._ending = threading.Event()
        self._server: Any = None

    def start(self, port: int) -> None:
        """Listen on the loopback."""
        self._server = grpc.server(ThreadPoolExecutor(max_workers=16))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(_servicer(self), self._server)
        self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    def stop(self) -> None:
        """End it, and whoever waits."""
        self._ending.set()
        if self._server is not None:
            self._server.stop(0).wait(5)

    def infer(self, request: Any, context: Any) -> Any:
        """A bad answer of the present manner, in the shape of the first input."""
        self.asked += 1
        if self.manner == "slow":
            self._ending.wait(SLOW_S)
        if self.manner in ("slow", "error"):
            context.abort(grpc.StatusCode.INTERNAL, "the stand-in answers nothing")
        shape = list(request.inputs[0].shape) if self.manner == "nan" else [1, 1, 1, 1, 1]
        answer = service_pb2.ModelInferResponse(model_name=request.model_name, model_version="1", id=request.id)
        for wanted in request.outputs:
            output = answer.outputs.add(name=wanted.name, datatype="FP32")
            output.shape.extend(shape)
            value = np.nan if self.manner == "nan" else 0.0
            answer.raw_output_contents.append(np.full(shape, value, np.float32).tobytes())
        return answer


def _servicer(stand_in: StandIn) -> Any:
    """The generated service with our answers: its methods carry the protocol's names."""
    answers = {
        "ServerLive": lambda *_: service_pb2.ServerLiveResponse(live=True),
        "ServerReady": lambda *_: service_pb2.ServerReadyResponse(ready=True),
        "ModelReady": lambda *_: service_pb2.ModelReadyResponse(ready=True),
        "ModelMetadata": lambda *_: service_pb2.ModelMetadataResponse(),
        "ModelStatistics": lambda *_: service_pb2.ModelStatisticsResponse(),
        "ModelInfer": lambda _self, request, context: stand_in.infer(request, context),
        **{name: _empty(name) for name in EMPTY},
    }
    return type("Servicer", (service_pb2_grpc.GRPCInferenceServiceServicer,), answers)()


def _empty(name: str) -> Any:
    made = getattr(service_pb2, f"{name}Response")
    return lambda *_: made()
