//! The servlet through its public interface: requests and frames in, frames and callbacks out. Time is virtual.

mod callbacks;
mod endings;
mod mail;
mod rig;
mod routing;
mod shared_factory;
