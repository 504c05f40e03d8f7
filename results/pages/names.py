"""Names of losses and methods in sentences and tables, by the names that the command line uses."""

NAMES = {
    "ce": "cross-entropy",
    "ce-drw": "cross-entropy with deferred re-weighting",
    "class-balanced": "class-balanced weights",
    "ldam": "LDAM",
    "ldam-drw": "LDAM-DRW",
    "eql": "EQL",
    "eql-v2": "EQL v2",
    "balanced-softmax": "Balanced Softmax",
    "logit-adjustment": "logit adjustment",
    "seesaw": "Seesaw",
    "lade": "LADE",
    "label-aware-smoothing": "label-aware smoothing",
    "vs": "VS",
    "gcl": "GCL",
    "gala": "GALA",
    "cutmix": "CutMix",
    "remix": "Remix",
    "cmo": "CMO",
    "balanced-softmax-cmo": "Balanced Softmax with CMO",
    "bcl": "Balanced Softmax with BCL",
    "proco": "Balanced Softmax with ProCo",
    "sam": "SAM",
    "ce-drw-sam": "cross-entropy with deferred re-weighting and SAM",
    "ldam-drw-sam": "LDAM-DRW with SAM",
    "decoupled-gala": "decoupled GALA",
    "decoupled-balanced-softmax": "decoupled Balanced Softmax",
    "balms": "BALMS",
    "crt": "cRT",
    "lws": "LWS",
    "mislas": "MiSLAS",
    "disalign": "DisAlign",
    "ncm": "NCM",
    "tau-norm": "τ-normalisation",
    "ce-weight-decay": "cross-entropy with a large weight decay",
}


def name_of(method: str) -> str:
    return NAMES.get(method, method)
