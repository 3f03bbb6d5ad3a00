"""The task type `sentiment`: the mood of a text, by the embedded model unless another is named.

Answer, confidence and margin are those of `text-classification`.
"""

from node.inference.text_classification import TextClassificationTaskType

SENTIMENT = TextClassificationTaskType(name="sentiment")
