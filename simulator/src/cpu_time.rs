//! CPU time of this process, so that a measurement can subtract what the simulator itself used.

/// Clock ticks per second: `USER_HZ` of Linux (proc(5)).
const TICKS_PER_S: f64 = 100.0;

/// User and system CPU time used so far, in seconds; `None` without `/proc`.
pub(crate) fn used_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The process name in parentheses may contain spaces. `utime` and `stime` are the 14th and 15th fields.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u32>().ok());
    let ticks = ticks.collect::<Option<Vec<_>>>()?;
    Some(ticks.into_iter().map(f64::from).sum::<f64>() / TICKS_PER_S)
}
