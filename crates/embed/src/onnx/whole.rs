//! Checks that an ONNX file is complete and that every length in it is valid.
//!
//! The file is one Protocol Buffers message, which has no end mark, and the runtime reads a truncated one as a graph with
//! fewer outputs. Here the fields are walked: each must fit into the message it is in, and the graph and the versions of
//! its operators, which stand last, must be among the outermost (`onnx.proto`, message `ModelProto`).
//!
//! The walk goes into the messages that the runtime reads. `rten-onnx` 0.27 adds a field's length to a position without
//! a check and moves by it as a signed number (`protobuf/value.rs`, `LimitReader::check_has_bytes` and
//! `ValueReader::skip`), so a length near 2^64 makes it loop forever; and it reads messages within
//! messages by recursion, to any depth.

const GRAPH: u64 = 7;
const OPERATOR_VERSIONS: u64 = 8;

/// Messages within messages. A graph within a graph (a branch, a loop) is three levels deeper.
const DEEPEST: usize = 64;

const CUT: &str = "it is cut, or no message of this kind";

/// A message of `onnx.proto`, as far as the runtime reads it.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    Variable,
    Type,
    TensorType,
    Sequence,
    Shape,
    /// One without messages in it.
    Leaf,
}

impl Message {
    /// The message in a field.
    fn within(self, field: u64) -> Option<Message> {
        match (self, field) {
            (Message::Model, GRAPH) | (Message::Attribute, 6) => Some(Message::Graph),
            (Message::Graph, 1) => Some(Message::Node),
            (Message::Graph | Message::Attribute, 5) => Some(Message::Tensor),
            (Message::Graph, 11..=13) => Some(Message::Variable),
            (Message::Node, 5) => Some(Message::Attribute),
            (Message::Variable, 2) | (Message::Sequence, 1) => Some(Message::Type),
            (Message::Type, 1) => Some(Message::TensorType),
            (Message::Type, 4) => Some(Message::Sequence),
            (Message::TensorType, 2) => Some(Message::Shape),
            (Message::Model, OPERATOR_VERSIONS | 14) | (Message::Tensor, 13) | (Message::Shape, 1) => {
                Some(Message::Leaf)
            }
            _ => None,
        }
    }
}

/// The defect of the file.
pub(super) fn check(mut bytes: &[u8]) -> Result<(), &'static str> {
    check_message(bytes, Message::Model, DEEPEST)?;
    let (mut graph, mut versions) = (false, false);
    while !bytes.is_empty() {
        let (field, _) = take_field(&mut bytes).ok_or(CUT)?;
        graph |= field == GRAPH;
        versions |= field == OPERATOR_VERSIONS;
    }
    match (graph, versions) {
        (true, true) => Ok(()),
        (false, _) => Err("there is no graph in it"),
        (true, false) => Err("the versions of its operators are missing; it may be cut"),
    }
}

fn check_message(mut bytes: &[u8], message: Message, levels: usize) -> Result<(), &'static str> {
    let levels = levels.checked_sub(1).ok_or("its messages are nested too deeply")?;
    while !bytes.is_empty() {
        let (field, content) = take_field(&mut bytes).ok_or(CUT)?;
        if let (Some(inner), Some(content)) = (message.within(field), content) {
            check_message(content, inner, levels)?;
        }
    }
    Ok(())
}

/// Moves behind a field; its number, and what is in it where it has a length.
fn take_field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Option<&'a [u8]>)> {
    let tag = variable(bytes)?;
    let length = match tag & 7 {
        0 => variable(bytes).map(|_| 0),
        1 => Some(8),
        2 => variable(bytes).and_then(|length| usize::try_from(length).ok()),
        5 => Some(4),
        _ => None,
    }?;
    let (content, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((tag >> 3, (tag & 7 == 2).then_some(content)))
}

/// A number of seven bits per byte, the lowest first.
fn variable(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &[u8] = include_bytes!("../../tests/data/tiny-onnx/model.onnx");

    /// Found by a damaged file: it was read for ever.
    #[test]
    fn a_length_that_leads_back_is_refused() {
        assert_eq!(check(TINY), Ok(()));
        let mut damaged = TINY.to_vec();
        damaged[128..158].fill(0xff);
        assert_eq!(check(&damaged), Err(CUT));
        // An unknown field of a node, of 2^64 - 12 bytes.
        let node = [&[0xfa, 0x01, 0xf4][..], &[0xff; 8], &[0x01]].concat();
        assert_eq!(check(&model(within(1, &node))), Err(CUT));
        assert_eq!(check(&model(within(1, &[0xfa, 0x01, 0x00]))), Ok(()));
    }

    #[test]
    fn graphs_within_graphs_end() {
        let nested =
            |times: usize| (0..times).fold(Vec::new(), |graph, _| within(1, &within(5, &within(6, &graph))));
        assert_eq!(check(&model(nested(20))), Ok(()));
        assert!(check(&model(nested(21))).is_err_and(|reason| reason.contains("nested too deeply")));
        assert!(check(&model(nested(2000))).is_err());
    }

    fn model(graph: Vec<u8>) -> Vec<u8> {
        [within(7, &graph), within(8, &[])].concat()
    }

    fn within(field: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![field << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            out.push(length as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend(content);
        out
    }
}
