//! What stands in the place of permessage-deflate when the feature `deflate` is off: types that have no value, so
//! that the two machines read the same with and without it. The real ones are in `deflate`.

use crate::error::ProtocolError;

/// No message is compressed.
pub(crate) enum Compressor {}

impl Compressor {
    pub(crate) fn wants(&self, _len: usize) -> bool {
        match *self {}
    }

    pub(crate) fn always(&self) -> bool {
        match *self {}
    }

    pub(crate) fn has_takeover(&self) -> bool {
        match *self {}
    }

    pub(crate) fn window_bits(&self) -> u8 {
        match *self {}
    }

    pub(crate) fn is_open(&self) -> bool {
        match *self {}
    }

    pub(crate) fn compress(&mut self, _payload: &[u8], _fin: bool, _out: &mut Vec<u8>) {
        match *self {}
    }

    pub(crate) fn count_shared(&mut self, _payload_len: usize, _wire_len: usize) {
        match *self {}
    }

    pub(crate) fn discard(&mut self, _payload_len: usize, _wire_len: usize) {
        match *self {}
    }

    pub(crate) fn holds_codec(&self) -> bool {
        match *self {}
    }

    pub(crate) fn end_turn(&mut self) {
        match *self {}
    }

    pub(crate) fn give_back(&mut self) {
        match *self {}
    }

    pub(crate) fn counted(&self) -> (u64, u64) {
        match *self {}
    }
}

/// No message is inflated.
pub(crate) enum Decompressor {}

impl Decompressor {
    pub(crate) fn push(
        &mut self,
        _input: &[u8],
        _limit: usize,
        _sink: &mut impl FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        match *self {}
    }

    pub(crate) fn finish(
        &mut self,
        _limit: usize,
        _sink: &mut impl FnMut(&[u8]) -> Result<(), ProtocolError>,
    ) -> Result<(), ProtocolError> {
        match *self {}
    }

    pub(crate) fn abandon(&mut self) {
        match *self {}
    }

    pub(crate) fn is_open(&self) -> bool {
        match *self {}
    }

    pub(crate) fn counted(&self) -> (u64, u64) {
        match *self {}
    }
}
