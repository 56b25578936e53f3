//! The processes and commands that read settings.

/// What settings are read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// Ingress and worker in one.
    Standalone,
    /// An ingress.
    Ingress,
    /// A worker.
    Worker,
    /// The admin API.
    Console,
    /// A command on the installation's database, which ends.
    Command,
}

impl Process {
    /// The name of one that runs on, as its command, in metrics and in traces.
    #[must_use]
    pub const fn runs_on(self) -> Option<&'static str> {
        match self {
            Self::Standalone => Some("standalone"),
            Self::Ingress => Some("ingress"),
            Self::Worker => Some("worker"),
            Self::Console => Some("console"),
            Self::Command => None,
        }
    }
}
