"""The five services by role noun: what people say, and the name under which each runs."""

SERVICE_OF_ROLE = {
    "intake": "GCAccumulator",
    "batcher": "GCMicroBatchProcessor",
    "conductor": "GCHostPay1",
    "watcher": "GCHostPay2",
    "executor": "GCHostPay3",
}
