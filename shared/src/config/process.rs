//! The processes and commands that read settings.

/// The process or command that reads the settings.
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
    /// A command on the installation's database, which ends by itself.
    Command,
}

impl Process {
    /// The name of a long-running process, in commands, metrics and traces; `None` for a command.
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
