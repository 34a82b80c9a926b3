"""The default remover: it shows what other frames of the clip really observed."""
