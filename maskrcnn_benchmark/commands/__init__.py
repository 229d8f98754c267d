"""
The command lines: `sgg` and its commands, which the scripts in tools/ run too.

A module holds one of them, or some that go together: its docstring is the help, its main reads the words and calls the
package. What takes long to import is imported by main, after the words are read: --help and wrong words are answered at
once.
"""
