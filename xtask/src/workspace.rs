//! Where the workspace lies: its root, its target directory, the cargo to call, and its files.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Directories that hold no source of ours.
const NOT_OURS: [&str; 4] = ["target", ".git", "node_modules", "__pycache__"];

/// The checkout that this program was built from.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    cargo: PathBuf,
}

/// A text file of the workspace.
#[derive(Debug)]
pub(crate) struct TextFile {
    /// The path below the root, with `/` between its parts.
    pub(crate) path: String,
    /// All of its text.
    pub(crate) text: String,
}

impl Workspace {
    /// Finds the checkout, as cargo tells it or as it was when this program was built.
    pub(crate) fn find() -> Self {
        let manifest_dir = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_dir.parent().unwrap_or(&manifest_dir).to_path_buf();
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
        let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
        Self { root, target, cargo }
    }

    /// The directory of the root manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory for everything built or downloaded.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// A command of the cargo that runs this program, in the root directory.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command.current_dir(&self.root);
        command
    }

    /// A fresh, empty directory below the target directory for the logs and reports of one check.
    pub(crate) fn fresh_output(&self, name: &str) -> Result<PathBuf, String> {
        let directory = self.target.join("xtask").join(name);
        if directory.exists() {
            fs::remove_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        }
        fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
        Ok(directory)
    }

    /// Every text file of the checkout, in the order of the paths; what is no UTF-8 is left out.
    pub(crate) fn text_files(&self) -> Result<Vec<TextFile>, String> {
        let mut files = Vec::new();
        self.collect(&self.root, &mut files)?;
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(files)
    }

    fn collect(&self, directory: &Path, files: &mut Vec<TextFile>) -> Result<(), String> {
        let failed = |error| format!("{}: {error}", directory.display());
        for entry in fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let path = entry.path();
            if kind.is_dir() && !NOT_OURS.iter().any(|name| entry.file_name() == *name) {
                self.collect(&path, files)?;
            } else if kind.is_file() && entry.file_name() != ".git" {
                let Ok(below) = path.strip_prefix(&self.root) else {
                    continue;
                };
                let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
                if let Ok(text) = fs::read_to_string(&path) {
                    files.push(TextFile {
                        path: parts.join("/"),
                        text,
                    });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Workspace;

    #[test]
    fn the_files_of_the_checkout_are_found_and_build_output_is_not() {
        let files = Workspace::find().text_files().expect("the checkout is readable");
        assert!(files.iter().any(|file| file.path == "xtask/src/workspace.rs"));
        assert!(files.iter().any(|file| file.path == "Cargo.toml"));
        assert!(!files.iter().any(|file| file.path.starts_with("target/")));
    }
}
