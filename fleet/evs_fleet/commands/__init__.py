"""One module for each subcommand; each has a `command`.

A subcommand imports what is heavy within its function, and returns its exit status:

    @click.command()
    @click.option("--all", "everything", is_flag=True, help="...")
    @click.pass_obj
    def command(context: Context, everything: bool) -> int:
        \"\"\"What `--help` says.\"\"\"
        rows = ...
        output.write_rows(context.output, COLUMNS, rows, ids="id")
        return DIFFERENCE if ... else OK
"""
