"""What an answer says was done, held against what was done: words are taken apart by rules, in four languages."""
