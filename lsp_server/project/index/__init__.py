"""The index of a workspace: which of its files hold text like that at the cursor."""
