"""Average the weights of networks: ``python soup.py checkpoint=[A,B] output=NAME.ckpt``."""

from outtake.programs.entry_points import run_soup

# Tab completion looks for the words @hydra.main in a script.
if __name__ == "__main__":
    run_soup()
