//! Bodies of fuzz targets: functions that must hold for any bytes whatever. `crates/ws-fuzz` runs them on random bytes,
//! `cargo test` over the saved corpora. No part of the public API.

#[cfg(feature = "deflate")]
mod compression;
mod frames;

mod calls;

pub use calls::calls;
#[cfg(feature = "deflate")]
pub use compression::{deflate_there_and_back, inflate_anything};
#[cfg(feature = "deflate")]
pub use frames::compressed_frames;
pub use frames::{
    connection_of_a_client, connection_of_a_server, extension_header, frames_of_a_client, frames_of_a_server,
};
