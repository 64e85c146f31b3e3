//! HTTP/1.1 heads on a byte stream: finding, parsing and writing them.
//!
//! Only what an upgrade needs. Bodies and everything else of HTTP are left to a library built for that, and what a
//! head means is judged in `handshake/`. RFC 9112.

mod search;

mod scan;

mod parse;

mod write;

mod head;

mod body;
mod read;

pub(crate) use body::RefusalBody;
pub use head::RequestHead;
pub use read::HeadReader;
pub use scan::HeadLimits;
pub use write::{ResponseBody, encode_request, encode_response};
