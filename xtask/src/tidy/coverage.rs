//! The rules about tests cited in documents.
//!
//! docs/RFC-COVERAGE.md: every row names a module that exists and at least one test that exists. A row is
//! `| MUST | section | module | test |`; modules and tests stand in backquotes. docs/SECURITY.md: every attack has a test
//! or a reason. docs/CANCEL-SAFETY.md: every public asynchronous function has a test that drops it.

use std::collections::BTreeSet;

use crate::workspace::TextFile;

use super::cancellation::asynchronous;
use super::code::{code_only, is_word};

const DOCUMENT: &str = "docs/RFC-COVERAGE.md";
const SECURITY: &str = "docs/SECURITY.md";
const CANCEL_SAFETY: &str = "docs/CANCEL-SAFETY.md";

/// Complaints about rows that cite what is not there.
pub(super) fn citations(files: &[TextFile]) -> Vec<String> {
    let Some(document) = files.iter().find(|file| file.path == DOCUMENT) else {
        return vec![format!("{DOCUMENT} is gone")];
    };
    let tests = all_tests(files);
    let rows: Vec<_> = rows(&document.text).collect();
    if rows.is_empty() {
        return vec![format!("{DOCUMENT} has no rows")];
    }
    let mut complaints = Vec::new();
    for (number, cells) in rows {
        let mut complain = |what: String| complaints.push(format!("{DOCUMENT}:{number}: {what}"));
        let [must, section, module, test] = cells.as_slice() else {
            complain(format!("{} cells instead of 4", cells.len()));
            continue;
        };
        if must.is_empty() || section.is_empty() {
            complain("no MUST or no section".to_owned());
        }
        let modules = quoted(module);
        let missing = modules.iter().filter(|name| !module_exists(files, name));
        missing.for_each(|name| complain(format!("there is no module {name}")));
        let cited = quoted(test);
        if modules.is_empty() || cited.is_empty() {
            complain("no module or no test in backquotes".to_owned());
        }
        let missing = cited.iter().filter(|name| !tests.contains(**name));
        missing.for_each(|name| complain(format!("there is no test {name}")));
    }
    complaints
}

/// The names of all tests of ours.
fn all_tests(files: &[TextFile]) -> BTreeSet<String> {
    files
        .iter()
        .filter(|file| is_ours(file))
        .flat_map(|file| tests_in(&file.text))
        .collect()
}

/// Complaints about rows of docs/SECURITY.md: each row of a table whose last column is headed `test` names tests that
/// exist, or says why there is none with `does not apply:` or `not yet:`.
pub(super) fn defences(files: &[TextFile]) -> Vec<String> {
    let Some(document) = files.iter().find(|file| file.path == SECURITY) else {
        return vec![format!("{SECURITY} is gone")];
    };
    let tests = all_tests(files);
    let mut complaints = Vec::new();
    let (mut is_map, mut mapped) = (false, 0);
    for (number, line) in document.text.lines().enumerate() {
        let Some(inner) = line
            .trim()
            .strip_prefix('|')
            .and_then(|line| line.strip_suffix('|'))
        else {
            is_map = false;
            continue;
        };
        let last = inner.rsplit('|').next().unwrap_or_default().trim();
        if last == "test" {
            is_map = true;
        } else if is_map && last.chars().any(|c| c != '-') {
            mapped += 1;
            let cited = quoted(last);
            if cited.is_empty() && !last.starts_with("does not apply:") && !last.starts_with("not yet:") {
                complaints.push(format!("{SECURITY}:{}: neither a test nor a reason", number + 1));
            }
            let missing = cited.iter().filter(|name| !tests.contains(**name));
            complaints
                .extend(missing.map(|name| format!("{SECURITY}:{}: there is no test {name}", number + 1)));
        }
    }
    if mapped == 0 {
        complaints.push(format!("{SECURITY} has no rows with tests"));
    }
    complaints
}

/// Complaints about docs/CANCEL-SAFETY.md, whose rows are `| functions | what a dropped one leaves | tests |`: each
/// public asynchronous function has a row, each row's functions and tests exist.
pub(super) fn dropped(files: &[TextFile]) -> Vec<String> {
    let Some(document) = files.iter().find(|file| file.path == CANCEL_SAFETY) else {
        return vec![format!("{CANCEL_SAFETY} is gone")];
    };
    let tests = all_tests(files);
    let mut missing: BTreeSet<_> = asynchronous(files)
        .into_iter()
        .map(|function| function.name)
        .collect();
    let existing = missing.clone();
    let mut complaints = Vec::new();
    for (number, cells) in rows(&document.text) {
        let [functions, _, cited] = cells.as_slice() else {
            continue;
        };
        if *cited == "test" {
            continue;
        }
        let mut complain = |what: String| complaints.push(format!("{CANCEL_SAFETY}:{number}: {what}"));
        let (functions, cited) = (quoted(functions), quoted(cited));
        if functions.is_empty() || cited.is_empty() {
            complain("no function or no test in backquotes".to_owned());
        }
        for function in functions {
            missing.remove(function);
            if !existing.contains(function) {
                complain(format!("there is no public asynchronous function {function}"));
            }
        }
        let unknown = cited.iter().filter(|name| !tests.contains(**name));
        unknown.for_each(|name| complain(format!("there is no test {name}")));
    }
    let unnamed = missing.iter();
    complaints.extend(unnamed.map(|function| format!("{CANCEL_SAFETY}: no test drops {function}")));
    complaints
}

/// The rows of all tables with their line numbers; heads and rules are no rows.
fn rows(document: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let numbered = document
        .lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line.trim()));
    numbered.filter_map(|(number, line)| {
        let inner = line.strip_prefix('|')?.strip_suffix('|')?;
        let cells: Vec<_> = inner.split('|').map(str::trim).collect();
        let is_rule = cells
            .iter()
            .all(|cell| !cell.is_empty() && cell.chars().all(|c| c == '-' || c == ':'));
        let is_head = cells.first() == Some(&"MUST");
        (!is_rule && !is_head).then_some((number, cells))
    })
}

/// What stands in backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// `crate/folder/file` stands for `crates/crate/src/folder/file.rs` or a folder's `mod.rs`.
fn module_exists(files: &[TextFile], name: &str) -> bool {
    let Some((owner, rest)) = name.split_once('/') else {
        return false;
    };
    let file = format!("crates/{owner}/src/{rest}.rs");
    let folder = format!("crates/{owner}/src/{rest}/mod.rs");
    files.iter().any(|one| one.path == file || one.path == folder)
}

fn is_ours(file: &TextFile) -> bool {
    file.path.starts_with("crates/") && file.path.ends_with(".rs")
}

/// The names of the functions with an attribute `#[test]`, `#[tokio::test]` or alike, the ignored ones left out.
fn tests_in(text: &str) -> Vec<String> {
    let code = code_only(text);
    let mut found = Vec::new();
    let (mut is_test, mut is_ignored) = (false, false);
    for line in code.lines().map(str::trim) {
        if let Some(attribute) = line.strip_prefix("#[") {
            let path: String = attribute
                .chars()
                .take_while(|c| is_word(*c) || *c == ':')
                .collect();
            is_test |= path == "test" || path.ends_with("::test");
            is_ignored |= path == "ignore";
        } else if let Some((_, after)) = line.split_once("fn ") {
            if is_test && !is_ignored {
                found.push(after.chars().take_while(|c| is_word(*c)).collect());
            }
            (is_test, is_ignored) = (false, false);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{CANCEL_SAFETY, DOCUMENT, SECURITY, citations, defences, dropped, tests_in};
    use crate::tidy::sample;

    const SOURCE: (&str, &str) = (
        "crates/ws-proto/src/frame/mod.rs",
        "#[test]\nfn masks() {}\nfn helper() {}\n",
    );

    fn complaints(row: &str) -> Vec<String> {
        let document =
            format!("# Coverage\n\n| MUST | section | module | test |\n|---|---|---|---|\n{row}\n");
        citations(&sample(&[SOURCE, (DOCUMENT, &document)]))
    }

    #[test]
    fn a_row_that_cites_what_exists_is_fine() {
        assert_eq!(
            complaints("| mask | §5.3 | `ws-proto/frame` | `masks` |"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_row_that_cites_what_does_not_exist_is_refused() {
        let wrong = "| mask | §5.3 | `ws-proto/frame` | `masks_not` |";
        assert_eq!(
            complaints(wrong),
            ["docs/RFC-COVERAGE.md:5: there is no test masks_not"]
        );
        assert_eq!(complaints("| mask | §5.3 | `ws-proto/gone` | `masks` |").len(), 1);
        // A function that is no test proves nothing.
        assert_eq!(
            complaints("| mask | §5.3 | `ws-proto/frame` | `helper` |").len(),
            1
        );
    }

    #[test]
    fn a_row_without_a_test_is_refused() {
        assert_eq!(complaints("| mask | §5.3 | `ws-proto/frame` | by eye |").len(), 1);
        assert_eq!(complaints("| mask | §5.3 | | `masks` |").len(), 1);
        assert_eq!(complaints("| mask | `ws-proto/frame` | `masks` |").len(), 1);
    }

    #[test]
    fn an_empty_or_missing_table_is_refused() {
        assert_eq!(complaints("").len(), 1);
        assert_eq!(citations(&[]).len(), 1);
    }

    #[test]
    fn tests_are_known_by_their_attribute() {
        let text = "#[tokio::test(start_paused = true)]\nasync fn waits() {}\n#[test]\n#[ignore = \"slow\"]\nfn slow() {}\n\
                    // #[test]\nfn none() {}\n#[cfg(test)]\nfn neither() {}\n";
        assert_eq!(tests_in(text), ["waits"]);
    }

    #[test]
    fn a_defence_names_a_test_that_exists_or_a_reason() {
        let complaints = |row: &str| {
            let document = format!(
                "| id | what | test |\n|---|---|---|\n{row}\n\n| other | table |\n|---|---|\n| a | b |\n"
            );
            defences(&sample(&[SOURCE, (SECURITY, &document)]))
        };
        assert_eq!(complaints("| H01 | POST | `masks` |"), Vec::<String>::new());
        assert_eq!(
            complaints("| H01 | POST | does not apply: no TLS |"),
            Vec::<String>::new()
        );
        assert_eq!(
            complaints("| H01 | POST | `masks`, `gone` |"),
            ["docs/SECURITY.md:3: there is no test gone"]
        );
        assert_eq!(complaints("| H01 | POST | by eye |").len(), 1);
        assert_eq!(complaints("").len(), 1, "a document without rows");
    }

    #[test]
    fn an_asynchronous_function_that_no_test_drops_is_refused() {
        let library = (
            "crates/a/src/b.rs",
            "impl Server {\n    pub async fn bind() {}\n}\n",
        );
        let complaints = |row: &str| {
            let document = format!("| function | dropped | test |\n|---|---|---|\n{row}\n");
            dropped(&sample(&[SOURCE, library, (CANCEL_SAFETY, &document)]))
        };
        assert_eq!(
            complaints("| `a/Server::bind` | nothing | `masks` |"),
            Vec::<String>::new()
        );
        assert_eq!(
            complaints(""),
            ["docs/CANCEL-SAFETY.md: no test drops a/Server::bind"]
        );
        assert_eq!(complaints("| `a/Server::bind` | nothing | `gone` |").len(), 1);
        assert_eq!(complaints("| `a/Server::bind` | nothing | |").len(), 1);
        assert_eq!(
            complaints("| `a/Server::bind`, `a/gone` | nothing | `masks` |"),
            ["docs/CANCEL-SAFETY.md:3: there is no public asynchronous function a/gone"]
        );
    }
}
