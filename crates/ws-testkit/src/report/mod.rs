//! The wording of a client run: lines like ping's, and one JSON object. Pure: strings out, nothing printed.

mod json;
mod text;

pub use json::JSON_SCHEMA;
pub(crate) use json::summary_json;
pub(crate) use text::{answer_line, frame_line, gave_up_line, handshake_lines, start_line, summary_lines};
