//! Work on a body that is not waiting but computing. That on a large one must never hold up the requests that share its thread.

use crate::room::SMALL_BYTES;

/// Computes something of a body of so many bytes. For a large one the runtime takes another thread for its other tasks.
pub(crate) fn on_body<T>(body_bytes: usize, compute: impl FnOnce() -> T) -> T {
    if body_bytes > SMALL_BYTES { tokio::task::block_in_place(compute) } else { compute() }
}
