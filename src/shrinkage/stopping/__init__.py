"""When a member's training ends before its last step."""
