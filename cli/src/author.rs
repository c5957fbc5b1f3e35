//! Who changes documents, for the history.

use std::env;

/// Who changes documents.
#[derive(Debug, clap::Args)]
pub struct Author {
    /// Who changes it, for the history; without it the name of the user.
    #[arg(long, env = "OUTRIDER_AUTHOR", value_name = "NAME")]
    author: Option<String>,
}

impl Author {
    /// The name given or the name of the user; empty if neither is known.
    pub fn name(&self) -> String {
        let user = || env::var("USER").unwrap_or_default();
        self.author.clone().unwrap_or_else(user)
    }
}
