//! Where the configuration is that applies to every repository (git-config(1), "SCOPES").

use std::path::{Path, PathBuf};

use super::config::{self, Setting};
use super::files::path_of;

/// What the user and the system have configured for every repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct GitConfig {
    pub(super) files: Vec<PathBuf>,
    pub(super) settings: Vec<Setting>,
}

impl GitConfig {
    /// Finds it by the two directories and the caller's environment (git-config(1), "FILES" and "ENVIRONMENT").
    /// `GIT_CONFIG_SYSTEM` and `GIT_CONFIG_GLOBAL` replace the other files only for a process that has them in its
    /// environment. A git that was built with another `sysconfdir` has the system's file elsewhere.
    pub(crate) fn new(
        home: Option<&Path>,
        config: Option<&Path>,
        variable: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> GitConfig {
        let mut files = vec![PathBuf::from("/etc/gitconfig")];
        files.extend(config.map(|config| config.join("git/config")));
        files.extend(home.map(|home| home.join(".config/git/config")));
        files.extend(home.map(|home| home.join(".gitconfig")));
        let named = ["GIT_CONFIG_SYSTEM", "GIT_CONFIG_GLOBAL"].into_iter().filter_map(variable);
        files.extend(named.map(|path| path_of(&path).to_owned()));
        files.retain(|file| file.is_absolute());
        files.dedup();
        let count = variable("GIT_CONFIG_COUNT").and_then(|count| String::from_utf8(count).ok()?.parse().ok());
        let setting = |number| {
            let key = variable(&format!("GIT_CONFIG_KEY_{number}"))?;
            Some((config::plain_key(&key), variable(&format!("GIT_CONFIG_VALUE_{number}"))?))
        };
        // git refuses all of them if one is missing.
        let settings = (0..count.unwrap_or(0_usize)).map_while(setting).collect();
        GitConfig { files, settings }
    }
}
