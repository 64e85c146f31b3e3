//! The modules that a file declares, by layer, and the names it gives out again. A layer is a group of `mod` lines
//! with no blank line between them.

use super::code::{code_only, mentions_test};
use super::paths;

/// What a `lib.rs`, `main.rs` or `mod.rs` declares.
#[derive(Debug, Default)]
pub(super) struct Declared {
    /// Each module with the number of its layer, lowest first.
    layers: Vec<(String, usize)>,
    /// Names given out again, with the module each comes from.
    given_out: Vec<(String, String)>,
}

impl Declared {
    /// Reads the declarations of one file. Modules that exist for tests only are left out: they stand above all.
    pub(super) fn read(text: &str) -> Self {
        let code = code_only(text);
        let mut declared = Self::default();
        let mut layer = 0;
        let mut for_tests = false;
        for (line, original) in code.lines().zip(text.lines()) {
            let line = line.trim();
            if original.trim().is_empty() {
                // A blank line ends a layer; several do no more.
                layer += usize::from(declared.layers.iter().any(|(_, last)| *last == layer));
            } else if line.starts_with("#[") {
                for_tests |= mentions_test(line);
            } else if !line.is_empty() {
                if let Some(name) = declared_module(line).filter(|_| !for_tests) {
                    declared.layers.push((name.to_owned(), layer));
                }
                for_tests = false;
            }
        }
        for path in paths::used(&code) {
            declared.give_out(&path);
        }
        declared
    }

    /// The layer of a module.
    pub(super) fn layer(&self, module: &str) -> Option<usize> {
        self.layers
            .iter()
            .find(|(name, _)| name == module)
            .map(|(_, layer)| *layer)
    }

    /// The module that a name comes from: itself where it is a module, else the one it is given out from.
    pub(super) fn origin<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        if self.layer(name).is_some() {
            return Some(name);
        }
        self.given_out
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, module)| module.as_str())
    }

    fn give_out(&mut self, path: &paths::Used) {
        let parts = path.parts.iter().map(String::as_str);
        let below: Vec<_> = parts
            .skip_while(|part| matches!(*part, "self" | "crate"))
            .collect();
        if let [module, .., last] = below.as_slice() {
            if self.layer(module).is_some() {
                let name = path.alias.as_deref().unwrap_or(last);
                self.given_out.push((name.to_owned(), (*module).to_owned()));
            }
        }
    }
}

/// The name in `mod NAME;`, whoever may see it.
fn declared_module(line: &str) -> Option<&str> {
    let line = line.strip_suffix(';')?;
    let name = line.rsplit(' ').next()?;
    let before = line.strip_suffix(name)?.trim_end();
    (before == "mod" || (before.starts_with("pub") && before.ends_with(" mod"))).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::Declared;

    const ROOT: &str = "//! Head.\n\n// layer 1\nmod role;\nmod code;\n\n// layer 2: errors\n#[cfg(feature = \"x\")]\n\
                        mod error;\n\n\npub mod frame;\n#[cfg(test)]\nmod tests;\n\n\
                        pub use error::{UseError, deep::Other as Renamed};\nuse self::role::Role;\n";

    #[test]
    fn blank_lines_part_the_layers() {
        let declared = Declared::read(ROOT);
        let layers: Vec<_> = ["role", "code", "error", "frame"]
            .map(|name| declared.layer(name))
            .into();
        assert!(layers[0].is_some() && layers[0] == layers[1]);
        assert!(layers[1] < layers[2] && layers[2] < layers[3]);
        assert_eq!(declared.layer("tests"), None);
    }

    #[test]
    fn names_given_out_lead_to_their_module() {
        let declared = Declared::read(ROOT);
        assert_eq!(declared.origin("UseError"), Some("error"));
        assert_eq!(declared.origin("Renamed"), Some("error"));
        assert_eq!(declared.origin("Role"), Some("role"));
        assert_eq!(declared.origin("frame"), Some("frame"));
        assert_eq!(declared.origin("Elsewhere"), None);
    }
}
