//! The CPU time of this process: whoever measures an installation must know what the simulator itself has taken.

/// Ticks of a second, `USER_HZ` of every Linux (proc(5)).
const TICKS_PER_S: f64 = 100.0;

/// How much this process has used so far, in seconds; `None` where there is no `/proc`.
pub(crate) fn used_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may hold anything; `utime` and `stime` are the 14th and 15th field.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u32>().ok());
    let ticks = ticks.collect::<Option<Vec<_>>>()?;
    Some(ticks.into_iter().map(f64::from).sum::<f64>() / TICKS_PER_S)
}
