//! CPU-bound work on request bodies, kept off the async threads if the body is large.

use crate::memory_budget::SMALL_BODY_BYTES;

/// Runs `compute` on a body of `body_bytes`. For a large body the runtime moves its other tasks to another thread first.
pub(crate) fn on_body<T>(body_bytes: usize, compute: impl FnOnce() -> T) -> T {
    if body_bytes > SMALL_BODY_BYTES { tokio::task::block_in_place(compute) } else { compute() }
}
