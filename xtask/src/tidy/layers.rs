//! The rule of layers: a module imports only from modules declared in an earlier layer, never from its own. It holds
//! in `lib.rs` and `main.rs`, and in the same way inside a folder by its `mod.rs`. Test code is free.

use std::collections::BTreeMap;

use crate::workspace::TextFile;

use super::code::{code_only, without_tests};
use super::modules::Declared;
use super::paths;

/// The modules of one crate, each by its path from the root (the root itself is empty).
struct Crate {
    modules: BTreeMap<Vec<String>, Declared>,
}

/// Complaints about every crate of the checkout.
pub(super) fn imports(files: &[TextFile]) -> Vec<String> {
    let mut complaints = Vec::new();
    for root in files.iter().filter(|file| is_root(&file.path)) {
        let directory = root.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        // Where a library is, the program beside it stands outside of its modules.
        if root.path.ends_with("main.rs")
            && files
                .iter()
                .any(|file| file.path == format!("{directory}/lib.rs"))
        {
            continue;
        }
        let sources: Vec<_> = files
            .iter()
            .filter_map(|file| {
                Some((
                    module_of(file.path.strip_prefix(directory)?.strip_prefix('/')?)?,
                    file,
                ))
            })
            .filter(|(_, file)| file.path == root.path || !is_root(&file.path))
            .collect();
        let declared = sources
            .iter()
            .map(|(module, file)| (module.clone(), Declared::read(&file.text)));
        let whole = Crate {
            modules: declared.collect(),
        };
        for (module, file) in &sources {
            complaints.extend(whole.complaints(module, file));
        }
    }
    complaints
}

fn is_root(path: &str) -> bool {
    path.ends_with("src/lib.rs") || path.ends_with("src/main.rs")
}

/// The module of a file, from its path below `src`.
fn module_of(path: &str) -> Option<Vec<String>> {
    let mut parts: Vec<_> = path.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    match parts.last().map(String::as_str) {
        Some("lib" | "main") if parts.len() == 1 => Some(Vec::new()),
        Some("mod") => parts.pop().map(|_| parts),
        _ if parts.first().is_some_and(|first| first == "bin") => None,
        _ => Some(parts),
    }
}

impl Crate {
    fn complaints(&self, module: &[String], file: &TextFile) -> Vec<String> {
        if self.is_for_tests(module) {
            return Vec::new();
        }
        let code = code_only(&file.text);
        let mut complaints: Vec<String> = paths::relative(without_tests(&code))
            .into_iter()
            .filter_map(|path| {
                let reason = self.refusal(module, &absolute(module, &path)?)?;
                Some(format!("{}: {}: {reason}", file.path, path.join("::")))
            })
            .collect();
        complaints.sort();
        complaints.dedup();
        complaints
    }

    /// A module that its parent declares for tests only (or not at all: then it is not compiled either).
    fn is_for_tests(&self, module: &[String]) -> bool {
        (1..=module.len()).any(|depth| {
            let (parent, rest) = module.split_at(depth - 1);
            let known = self.modules.get(parent).zip(rest.first());
            known.is_some_and(|(declared, name)| declared.layer(name).is_none())
        })
    }

    /// Why this module may not refer to that path. They part below some module: its layers decide.
    fn refusal(&self, from: &[String], to: &[String]) -> Option<String> {
        let common = from
            .iter()
            .zip(to)
            .take_while(|(one, other)| one == other)
            .count();
        let (own, wanted) = (from.get(common)?, to.get(common)?);
        let parent = self.modules.get(&from[..common])?;
        let own_layer = parent.layer(own)?;
        match parent.origin(wanted) {
            Some(origin) if origin == own => None,
            Some(origin) => {
                let layer = parent.layer(origin)?;
                let why = if layer == own_layer {
                    "the same layer as"
                } else {
                    "a later layer than"
                };
                (layer >= own_layer).then(|| format!("`{origin}` is in {why} `{own}`"))
            }
            // A folder's own type, extended in a file of the folder.
            None if common > 0 => None,
            None => Some(format!(
                "`{wanted}` is no module of the crate, so it has no layer"
            )),
        }
    }
}

/// The path from the root of the crate; nothing where it leads out of it.
fn absolute(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    let base = if ups == 0 {
        &[][..]
    } else {
        module.get(..module.len().checked_sub(ups)?)?
    };
    let rest = path.iter().skip(ups.max(1));
    Some(base.iter().chain(rest).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::imports;
    use crate::tidy::sample;

    const LIB: &str = "mod role;\nmod code;\n\nmod recv;\n\nmod connection;\n\npub use code::CloseCode;\n";
    const RECV: &str = "mod check;\n\nmod assemble;\n\npub(crate) struct ReceivePath;\nuse check::legal;\n";

    /// The complaints where one file of a small crate holds this text.
    fn complaints(path: &str, text: &str) -> Vec<String> {
        let mut files = vec![
            ("crates/a/src/lib.rs", LIB),
            ("crates/a/src/recv/mod.rs", RECV),
            ("crates/a/src/code.rs", "#[cfg(test)]\nmod tests;\n"),
        ];
        files.retain(|(other, _)| *other != path);
        files.push((path, text));
        imports(&sample(&files))
    }

    #[test]
    fn an_earlier_layer_is_fine() {
        let text = "use crate::code::CloseCode;\nuse crate::{CloseCode as C, recv::ReceivePath};\nfn f(r: crate::role::Role) {}";
        assert_eq!(
            complaints("crates/a/src/connection.rs", text),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_later_layer_is_refused_however_it_is_named() {
        for text in [
            "use crate::connection::Connection;",
            "use crate::{code, connection::Connection};",
            "fn f(x: crate::connection::Connection) {}",
            "use super::connection;",
        ] {
            let found = complaints("crates/a/src/code.rs", text);
            assert!(
                found
                    .iter()
                    .any(|one| one.contains("`connection` is in a later layer than `code`")),
                "{text}"
            );
        }
    }

    #[test]
    fn the_same_layer_is_refused_also_through_a_name_given_out() {
        assert_eq!(complaints("crates/a/src/role.rs", "use crate::code::X;").len(), 1);
        assert_eq!(
            complaints("crates/a/src/role.rs", "use crate::CloseCode;").len(),
            1
        );
    }

    #[test]
    fn a_name_without_a_module_is_refused_at_the_root() {
        assert_eq!(
            complaints("crates/a/src/recv/mod.rs", "use crate::Thing;").len(),
            1
        );
    }

    #[test]
    fn a_folder_has_layers_too() {
        assert_eq!(
            complaints("crates/a/src/recv/assemble.rs", "use super::check::legal;").len(),
            0
        );
        assert_eq!(
            complaints(
                "crates/a/src/recv/assemble.rs",
                "use super::{ReceivePath, legal};"
            )
            .len(),
            0
        );
        assert_eq!(
            complaints("crates/a/src/recv/check.rs", "use super::assemble::A;").len(),
            1
        );
        assert_eq!(
            complaints("crates/a/src/recv/check.rs", "use crate::recv::assemble::A;").len(),
            1
        );
        assert_eq!(
            complaints("crates/a/src/recv/check.rs", "use super::super::connection::C;").len(),
            1
        );
        assert_eq!(
            complaints("crates/a/src/recv/check.rs", "use crate::code::C;").len(),
            0
        );
    }

    #[test]
    fn tests_and_comments_are_free() {
        let tests = "#[cfg(test)]\nmod tests {\n    use crate::connection::Connection;\n}\n";
        assert_eq!(complaints("crates/a/src/code.rs", tests).len(), 0);
        assert_eq!(
            complaints("crates/a/src/code.rs", "// crate::connection::Connection\n").len(),
            0
        );
        assert_eq!(
            complaints("crates/a/src/code/tests.rs", "use crate::connection::Connection;").len(),
            0
        );
    }
}
