//! The table by group: on the terminal, and between two marks in docs/CONFORMANCE.md.

use std::fs;
use std::process::Command;

use crate::process;
use crate::workspace::Workspace;

use super::verdict::Report;

/// What stands at the two ends of the generated part of the document.
const BEGIN: &str = "<!-- begin: written by `cargo xtask conformance --all` -->\n";
const END: &str = "<!-- end -->\n";

/// The groups by their names in the suite.
const GROUPS: [(u32, &str); 11] = [
    (1, "framing"),
    (2, "pings and pongs"),
    (3, "reserved bits"),
    (4, "opcodes"),
    (5, "fragmentation"),
    (6, "UTF-8"),
    (7, "closing"),
    (9, "sizes and round trips"),
    (10, "automatic fragmentation"),
    (12, "compression"),
    (13, "compression parameters"),
];

/// The table of these runs, one column each.
pub(crate) fn of(columns: &[(String, Report)]) -> String {
    let titles: Vec<_> = columns.iter().map(|(title, _)| title.as_str()).collect();
    let mut table = format!(
        "| group | {} |\n|---{}|\n",
        titles.join(" | "),
        "|---".repeat(titles.len())
    );
    for (group, name) in GROUPS {
        let cells: Vec<_> = columns
            .iter()
            .map(|(_, report)| report.counts_of(group))
            .collect();
        if cells.iter().any(Option::is_some) {
            let words = cells
                .iter()
                .map(|cell| cell.as_ref().map_or("–".to_owned(), ToString::to_string));
            table.push_str(&format!(
                "| {group} {name} | {} |\n",
                words.collect::<Vec<_>>().join(" | ")
            ));
        }
    }
    let totals: Vec<_> = columns
        .iter()
        .map(|(_, report)| report.counts().to_string())
        .collect();
    table.push_str(&format!("| **all** | {} |\n", totals.join(" | ")));
    table
}

/// Puts the table, the commit and the date into docs/CONFORMANCE.md.
pub(crate) fn write(workspace: &Workspace, columns: &[(String, Report)]) -> Result<(), String> {
    let path = workspace.root().join("docs").join("CONFORMANCE.md");
    let failed = |error| format!("{}: {error}", path.display());
    let document = fs::read_to_string(&path).map_err(failed)?;
    let content = format!("Commit {}, {}.\n\n{}", commit(workspace), today(), of(columns));
    let written = with_content(&document, &content).ok_or("docs/CONFORMANCE.md has lost its two marks")?;
    fs::write(&path, written).map_err(failed)?;
    println!("    wrote {}", path.display());
    Ok(())
}

/// The document with new content between its marks; nothing where a mark is missing.
fn with_content(document: &str, content: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{content}\n{END}{after}"))
}

fn commit(workspace: &Workspace) -> String {
    let git = |arguments: &[&str]| {
        process::answer_of(Command::new("git").args(arguments).current_dir(workspace.root()))
            .unwrap_or_default()
    };
    let changed = if git(&["status", "--porcelain"]).is_empty() {
        ""
    } else {
        " with uncommitted changes"
    };
    format!("`{}`{changed}", git(&["rev-parse", "--short=10", "HEAD"]))
}

fn today() -> String {
    process::answer_of(Command::new("date").args(["-u", "+%Y-%m-%d"])).unwrap_or_else(|| "no date".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{BEGIN, END, Report, of, with_content};

    #[test]
    fn the_table_has_a_row_for_each_group_that_ran_and_a_total() {
        let json = r#"{"a": {"3.1": {"behavior": "OK", "behaviorClose": "OK"}}}"#;
        let report = Report::read(json).expect("the sample is well formed");
        let expected = "| group | client |\n|---|---|\n| 3 reserved bits | 1 OK |\n| **all** | 1 OK |\n";
        assert_eq!(of(&[("client".to_owned(), report)]), expected);
    }

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let document = format!("head\n{BEGIN}old\n{END}tail\n");
        let expected = format!("head\n{BEGIN}\nnew\n{END}tail\n");
        assert_eq!(with_content(&document, "new").as_deref(), Some(expected.as_str()));
        assert_eq!(with_content("no marks", "new"), None);
    }
}
