//! The endpoints of the test server: what each [`Protocol`](crate::Protocol) does, one file each.
//!
//! Which connection gets which endpoint is in `server`.

// layer 1
mod assemble;
mod fragment;
mod frame;
mod group;
mod panicking;
mod silent;

// layer 2
mod broadcast;

// layer 3
mod observed;

pub(crate) use assemble::AssembleEcho;
pub(crate) use broadcast::{Broadcast, TOPIC};
pub(crate) use fragment::FragmentEcho;
pub(crate) use frame::FrameEcho;
pub(crate) use group::Group;
pub(crate) use observed::Observed;
pub(crate) use panicking::Panicking;
pub(crate) use silent::Silent;
